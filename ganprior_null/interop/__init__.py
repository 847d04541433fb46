"""Adapters to other libraries, and the networks in a web page; no floor of the package imports them."""
