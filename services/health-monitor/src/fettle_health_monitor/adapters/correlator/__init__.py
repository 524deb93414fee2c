"""What the correlator keeps in Postgres, table by table, and how it speaks to shards.

Functions take the connection of a unit of work and never commit. Batches are statements over arrays.
"""
