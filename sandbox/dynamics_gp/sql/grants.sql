-- Who may do what. `towpath` may what members of GP's own role DYNGRP may: call procedures, read and change rows;
-- `debezium` reads and follows the log; `gpuser` may change any row and the simulator's own tables.
-- Braces are filled with role names.

GRANT USAGE ON SCHEMA dbo, "DYNAMICS", towpath TO {towpath}, {debezium}, {user};
GRANT USAGE ON SCHEMA engine, sandbox TO {user};
GRANT SELECT ON ALL TABLES IN SCHEMA dbo TO {debezium};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA dbo TO {towpath};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA dbo TO {towpath};
GRANT SELECT ON ALL TABLES IN SCHEMA "DYNAMICS" TO {towpath}, {debezium};
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA dbo TO {user};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "DYNAMICS" TO {user};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sandbox TO {user};
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA dbo TO {user};
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA sandbox TO {user};
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA dbo FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbo TO {towpath}, {user};
-- the product's own tables are made here by an administrator, with the product's own SQL
ALTER DEFAULT PRIVILEGES IN SCHEMA towpath GRANT SELECT, INSERT, UPDATE ON TABLES TO {towpath};
ALTER DEFAULT PRIVILEGES IN SCHEMA towpath GRANT USAGE, SELECT ON SEQUENCES TO {towpath};
ALTER DEFAULT PRIVILEGES IN SCHEMA towpath GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {user};
ALTER DEFAULT PRIVILEGES IN SCHEMA towpath GRANT SELECT ON TABLES TO {debezium};
