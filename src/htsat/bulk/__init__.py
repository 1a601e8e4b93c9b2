"""Many recordings: which are meant, in which units they are heard, and what is done already.

arguments ─ inputs ─► recordings one after the other ─ units ─► units of about 256, each with a key
     └─ sharding: whose unit it is ─ journal: is it done? ─ run ─► a part of the results, then its record
          └─ merge: all parts in the order of the listing
"""
