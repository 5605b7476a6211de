// What is logged may come from a caller: each pattern takes time in proportion to a text's length. None
// may begin anew within what it has looked through.
const replacements: readonly (readonly [pattern: RegExp, by: string])[] = [
  // postgres://app:***@db
  [/(?<![a-z0-9+.-])([a-z][a-z0-9+.-]*:\/\/[^\s:@/"']*:)[^\s/"']+@/gi, "$1***@"],
  // What members, headers and fields of these names hold: "authorization":"…", also within a text
  // that is itself a member, where quotes are escaped.
  [
    /(\\?")([\w.-]*(?:authorization|cookie|password|passphrase|secret|api[-_]?key|(?:access|refresh|id)[-_]?token))\1(\s*:\s*(?:\[\s*)?)\1(?:\\.|[^"\\])*?\1/gi,
    "$1$2$1$3$1***$1",
  ],
  // "Cookie","…" in a list of raw headers
  [/(\\?")([\w-]*(?:authorization|cookie))\1(\s*,\s*)\1(?:\\.|[^"\\])*?\1/gi, "$1$2$1$3$1***$1"],
  // password=…, client_secret=… of addresses, forms and connection strings
  [
    /\b((?:ssl)?password|client_secret|api_key|(?:access|refresh)_token)=('[^']*'|[^\s&"'\\]+)/gi,
    "$1=***",
  ],
  [/\b(Bearer\s+)[A-Za-z0-9._~+/-]{16,}=*/gi, "$1***"],
  [/\b(Basic\s+)(?=[A-Za-z]*[0-9+/=])[A-Za-z0-9+/]{8,}=*/gi, "$1***"],
  // a JSON Web Token
  [/(?<![\w-])eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)*/g, "***"],
  // an API key, which is longer than what is shown of it where keys are listed
  [/\b(pelikuni_)[0-9A-Za-z]{32,}/g, "$1***"],
  [/(-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----)[\s\S]*?(-----END|$)/g, "$1***$2"],
];

/** Replaces what gives rights in a text: passwords, tokens, keys, wherever they stand in it. */
export function redactSecrets(text: string): string {
  return replacements.reduce((redacted, [pattern, by]) => redacted.replaceAll(pattern, by), text);
}
