"""Lessons as programs: run with checked parameters, with a record of each run; exercises that check themselves."""
