"""A teacher and the kept layers in, a stock model that has proved itself out."""
