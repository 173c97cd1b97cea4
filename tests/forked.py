"""The last that the process which all others are forked from imports."""

from tests.collector import resume

resume()
