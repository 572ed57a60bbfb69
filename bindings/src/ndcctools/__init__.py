"""The Python side of the cooperative computing tools, as far as Debian's packages go."""
