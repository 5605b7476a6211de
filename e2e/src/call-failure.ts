import { ConnectError } from "@connectrpc/connect";

/** The error that a call ends with; one that succeeds fails the test. */
export async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  const outcome = await call.then(
    () => "The call succeeded.",
    (error: unknown) => error,
  );
  if (outcome instanceof ConnectError) return outcome;
  throw new Error(String(outcome));
}
