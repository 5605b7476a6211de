/**
 * An error that whoever operates the service can mend: its message says what is wrong and what
 * to change, and is shown without a stack.
 */
export class OperatorError extends Error {
  override name = "OperatorError";
}
