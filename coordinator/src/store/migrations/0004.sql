-- A sweep has a priority and may be cancelled; a trial that was given up may be opened again: failures of attempts up to
-- `reopened_after` do not count any more. An attempt may also be revoked: its trial was not wanted any more.

ALTER TABLE sweep ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sweep ADD COLUMN is_cancelled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE trial ADD COLUMN reopened_after INTEGER NOT NULL DEFAULT 0;
