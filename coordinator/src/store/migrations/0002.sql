-- A result that disagrees with the recorded one is kept, so that it can be told which of the two is wrong. States that
-- are new: an attempt is offered until it has its slot; it is also returned (handed back before it had a slot) or abandoned (ended with its coordinator or
-- worker through no doing of its own), a trial also quarantined (workers died of it).

ALTER TABLE conflict ADD COLUMN outcome TEXT;   -- JSON, with every epoch; NULL for those kept by the first layout
