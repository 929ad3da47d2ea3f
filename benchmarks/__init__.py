"""What is measured, against what, and the figures (README.md).

Owns: a load on a real server process over real HTTP, and the raw COPY it is compared with.
Does not own: anything that the product needs. `make bench` runs it; `ARGS="--seconds 20"` lengthens each part.
"""
