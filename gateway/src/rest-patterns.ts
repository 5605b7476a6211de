/** A UUID in either case, as the contract accepts it. */
export const uuidPattern =
  "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$";

/** Text without U+0000, which Postgres cannot store, and lone surrogates, which UTF-8 cannot carry. */
export const textPattern = "^[^\\u0000\\p{Cs}]*$";

/** A currency: a capital letter, then 2 to 11 capital letters or digits. */
export const currencyPattern = "^[A-Z][A-Z0-9]{2,11}$";

/** One version in double quotes, as the ETag header gives it, or a star. */
export const ifMatchPattern = '^(\\*|"(0|[1-9][0-9]{0,17})")$';

/** Visible ASCII: what every client and proxy carries in a header unchanged; two headers do not fit. */
export const keyPattern = "^[!-~]*$";

/** RFC 3339, or a day. An unescaped + in a query arrives as a blank. */
export const instantPattern =
  "^\\d{4}-\\d{2}-\\d{2}" +
  "([Tt ]\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?([Zz]|[+ -]([01]\\d|2[0-3]):[0-5]\\d))?$";

/** A position of the journal, or 0. */
export const positionPattern = "^(0|[1-9][0-9]{0,17})$";

/** Up to ten kinds of change, with commas between them. */
export const kindsPattern = "^[a-z_]{1,50}(,[a-z_]{1,50}){0,9}$";

/** How entries are ordered. */
export const directionPattern = "^(newest|oldest)$";

/** What the answer is written in. */
export const formatPattern = "^(json|csv)$";

/** How far a wallet is frozen. */
export const scopePattern = "^(OUTGOING|ALL)$";

/** Whether a hold is open, or how it ended. */
export const holdStatusPattern = "^(OPEN|CAPTURED|RELEASED|EXPIRED)$";

/** What a text is told that is no instant. */
export const instantMeaning =
  'must be an instant, for example "2026-01-31T09:30:00Z", or a day, for example "2026-01-31"';

/** What a value that breaks one of the patterns is told. */
export const patternMeanings: Readonly<Record<string, string>> = {
  [uuidPattern]: 'must be a UUID, for example "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1"',
  [textPattern]: "must not contain U+0000 or half of a surrogate pair",
  [keyPattern]: "must be one key of visible ASCII characters, without blanks",
  [currencyPattern]:
    'must be a capital letter followed by 2 to 11 capital letters or digits, for example "USD"',
  [ifMatchPattern]:
    'must be one version in double quotes, as the ETag header gave it, for example "3", or *',
  [instantPattern]: instantMeaning,
  [positionPattern]: "must be a position, as the header Position gave it, or 0",
  [kindsPattern]: 'must be one to ten kinds, for example "wallet_funded,transfer_completed"',
  [directionPattern]: "must be newest or oldest",
  [formatPattern]: "must be json or csv",
  [scopePattern]: "must be OUTGOING or ALL",
  [holdStatusPattern]: "must be OPEN, CAPTURED, RELEASED or EXPIRED",
};
