const secretName = /(^|_)(password|passphrase|secret|token|api_key|private_key)$/;

const defaultPasswords = [
  "postgres",
  "password",
  "pelikuni",
  "changeme",
  "secret",
  "admin",
  "root",
];

/** Whether a setting gives rights, by its name or by what it holds. */
export function isSecret(name: string, value: unknown): boolean {
  if (secretName.test(name)) return value !== undefined;
  return (
    typeof value === "string" &&
    (passwordIn(value) !== undefined || value.includes("PRIVATE KEY-----"))
  );
}

/** Whether a setting holds a password that everybody knows. */
export function isDefaultPassword(name: string, value: unknown): boolean {
  if (typeof value !== "string") return false;
  const password = secretName.test(name) ? value : passwordIn(value);
  return password !== undefined && defaultPasswords.includes(password.toLowerCase());
}

/** The password in a URL: before its host, or in its query. */
function passwordIn(text: string): string | undefined {
  const [, before, inQuery] =
    /^[a-z][a-z0-9+.-]*:\/\/(?:[^/@:]*:([^/]+)@|[^?]*\?(?:.*&)?(?:ssl)?password=([^&]+))/i.exec(
      text,
    ) ?? [];
  return before ?? inQuery;
}
