-- A rollback may bring an earlier release back: when each device that had the failed one was seen with it again.
ALTER TABLE device_install ADD COLUMN restored_at TIMESTAMP WITH TIME ZONE;
