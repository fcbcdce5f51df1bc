"""The lens: JSON Schema rewritten for a dialect, with an exact inverse on values.

``expand`` reads a schema as alternatives of one JSON kind each; ``compiler`` turns each alternative into what
the dialect has, and into a codec that carries values there and back. One module a rewrite:

    record    named properties: required and nullable, left out, kept in a list of none or one
    pairs     an open dict as a list of {key, value}
    tuples    positions as named properties
    choice    oneOf and anyOf, told apart by shape or by a tag
    maybe     null or a value as a list of none or one
    literals  enum and const of any kind
    text      what cannot be said at all, as a string holding JSON
"""
