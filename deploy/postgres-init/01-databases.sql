-- Run by psql as the superuser when the database server starts on an empty volume. Each service has a database with two
-- logins: the owner of the schema, who migrates, and the service's own, to whom the migrations grant what it may do.
\getenv wallet_owner_password WALLET_OWNER_PASSWORD
\getenv wallet_service_password WALLET_SERVICE_PASSWORD
\getenv history_owner_password HISTORY_OWNER_PASSWORD
\getenv history_service_password HISTORY_SERVICE_PASSWORD

create role wallet_owner login password :'wallet_owner_password';
create role wallet_service login password :'wallet_service_password';
create role history_owner login password :'history_owner_password';
create role history_service login password :'history_service_password';

create database wallet owner wallet_owner;
create database history owner history_owner;

-- Neither service reaches the other one's data.
revoke connect on database wallet from public;
revoke connect on database history from public;
grant connect on database wallet to wallet_service;
grant connect on database history to history_service;
