"""The last that the process which programs are forked from imports."""

from tests.surroundings import all_is_imported

all_is_imported()
