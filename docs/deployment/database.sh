#!/bin/sh
# The role of the programs and its database, on the first start of the PostgreSQL of compose.yaml. The role has the password of
# the server's administrator; psql reads it from the environment, so it stands in no list of processes.
set -eu
psql --set=ON_ERROR_STOP=1 --username=postgres <<'SQL'
\getenv password POSTGRES_PASSWORD
CREATE ROLE emailsvc LOGIN PASSWORD :'password';
CREATE DATABASE emailsvc OWNER emailsvc;
SQL
