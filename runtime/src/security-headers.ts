// A year: long enough for browsers to remember, and what those who check sites ask for.
const transportSecuritySeconds = 31_536_000;

/**
 * The headers of every answer that is data. Browsers then neither guess its type, show it within a
 * page, run anything in it, keep it, nor tell others its address.
 *
 * @param encrypted whether it is served over TLS, which browsers are told to insist on
 */
export function dataHeaders(encrypted: boolean): Readonly<Record<string, string>> {
  return {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    ...(encrypted && {
      "strict-transport-security": `max-age=${transportSecuritySeconds}`,
    }),
  };
}
