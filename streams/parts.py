"""Replay of inputs that memory would not hold: cut by key into parts on disk, each part one slab.

Every rule needs all swipes of its key in one slab: of a person, an institution, a trace code, a visitor or a pair. So
the input is cut by person and identity as it is read; what stands goes on from each person part to the parts of its
institutions and trace codes, and from an institution part to those of the visitors and pairs who were seen there. A
part holds what rules ask of all that is in it, so its findings are those of the whole; of a visitor or pair that
belongs to another part it may hold too little, and says nothing.
"""

from __future__ import annotations
