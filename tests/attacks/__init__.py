"""Attacks on files: what may have happened to any file that a program reads, as generators that know no format's reader."""
