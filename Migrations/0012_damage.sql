-- When a check last found damage in a repository: backups recorded until then may lack what was
-- lost, and no later one builds on them.
alter table repository_checks add column damaged_at timestamptz;
update repository_checks set damaged_at = finished_at where finding_count > 0;
