"""Where tickets are kept and how the world hears of them."""
