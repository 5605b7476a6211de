import postgres from "postgres";
import { expect, test } from "vitest";
import { CallTimedOut, databaseFault } from "./database-fault.ts";

function withCode(code: string): Error {
  return Object.assign(new Error("something broke"), { code });
}

function answered(code: string, severity = "ERROR"): Error {
  return Object.assign(Object.create(postgres.PostgresError.prototype), { code, severity });
}

test.each([
  ["a reset connection", withCode("ECONNRESET")],
  ["a broken TLS record", withCode("ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC")],
  ["a protocol error", withCode("EPROTO")],
  ["an aborted connection", withCode("ECONNABORTED")],
  ["a route that went away", withCode("EHOSTUNREACH")],
  ["a peer that fell silent", withCode("ETIMEDOUT")],
  ["the driver's own word", withCode("CONNECTION_CLOSED")],
  ["an error without a code", new TypeError("x is not a function")],
  ["no answer in time", new CallTimedOut(1)],
  ["a server that shuts down", answered("57P01", "FATAL")],
  ["a server that crashed", answered("57P02", "FATAL")],
  ["a session ended as idle", answered("57P05", "FATAL")],
  ["a code of class 08", answered("08006")],
  ["any fatal answer", answered("XX000", "FATAL")],
])("after %s a call that was sent may have been executed, one that was not was not", (_, error) => {
  expect(databaseFault(error, true)?.maybeExecuted).toBe(true);
  expect(databaseFault(error, false)?.maybeExecuted).toBe(false);
});

test.each(["25006", "55P03", "57014", "53100", "53200"])(
  "the answer %s: nothing was done, and the database is there",
  (code) => {
    const fault = databaseFault(answered(code), true);
    expect([fault?.maybeExecuted, fault?.away]).toEqual([false, false]);
  },
);

test.each(["23505", "22021", "40P01", "42501", "PW001"])(
  "the answer %s is about the statement, not about the database",
  (code) => {
    expect(databaseFault(answered(code), true)).toBeUndefined();
  },
);

test.each(["57P03", "53300", "28P01", "3D000"])(
  "a server that answers a connection with %s is away",
  (code) => {
    expect(databaseFault(answered(code, "FATAL"), false)?.away).toBe(true);
  },
);
