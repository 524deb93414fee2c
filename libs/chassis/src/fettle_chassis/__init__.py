"""What every Fettle service needs to run."""
