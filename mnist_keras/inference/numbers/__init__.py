"""Numbers in a picture: rows of digits, read as strings.

reader    read_number: the numbers on a page, with a box and a confidence for each digit
lattice   chooses the candidates that together make up a row, and computes how probable the choice is
segments  a small model that tells whole digits from parts of digits and from pairs
pieces    places where a digit may begin or end, and the candidates between them
cuts      paths through touching digits that cross little ink
rows      finds rows of digits, levels them, and scales them to one height
"""
