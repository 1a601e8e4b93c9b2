"""Units on the machines of a Ray cluster, with Ray Data: what comes out is what one process would write.

    driver: units, the journal's lock, what people are told
      └─ Ray Data: map_batches over units, a pool of actors that keep the network ─ workers
           ├─ sound: tasks that decode for a worker, some seconds ahead of it, wherever processors are free
           └─ run.run_units: batches of the unit, its part, its record

All sound of a unit comes to one worker, in its order. Ray Data would deal blocks of sound to whichever actor
is free: clips would share batches with others, which rounds differently, and recordings longer than a block
could not be put together. So Ray Data deals units, and sound reaches a worker by streams of its own.
"""
