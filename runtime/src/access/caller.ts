import { type ContextValues, createContextKey } from "@connectrpc/connect";

/** Who calls, as far as he has proved it. */
export interface Caller {
  /**
   * Who says who he is: the issuer of his token, {@link apiKeyIssuer} or {@link certificateIssuer};
   * empty for the open caller.
   */
  readonly issuer: string;
  /** Who he is, unique within the issuer: the token's subject, the owner of an API key, … */
  readonly subject: string;
  /** The program in his hands: a token's client, an API key's id; empty when nothing says so. */
  readonly client: string;
  /** What he may do for everybody's wallets. */
  readonly scopes: { has(scope: string): boolean };
  /** Whether the subject is a user_id, so that the wallets of this user are his own. */
  readonly isUser: boolean;
}

/** The issuer of callers with an API key. No token's issuer is called so: those are URLs. */
export const apiKeyIssuer = "api-key";

/** The issuer of callers with a client certificate. */
export const certificateIssuer = "certificate";

/** Everybody, where no authentication is configured: he may do everything. */
export const openCaller: Caller = {
  issuer: "",
  subject: "",
  client: "",
  scopes: { has: () => true },
  isUser: false,
};

/** Who makes a call; set before a handler runs. */
export const callerKey = createContextKey<Caller | undefined>(undefined, {
  description: "who calls",
});

/** The user whose own things a call may reach, and no others; undefined: it may reach everything. */
const ownUserKey = createContextKey<string | undefined>(undefined, {
  description: "the user whose own things a call may reach",
});

/** What interceptors and handlers know of a call. */
interface CallWithValues {
  readonly values: ContextValues;
}

/** Who makes a call. */
export function callerOf({ values }: CallWithValues): Caller {
  const caller = values.get(callerKey);
  if (caller === undefined) throw new Error("A call came through without authentication.");
  return caller;
}

/**
 * The user whose own things a call may reach, and no others, because its caller lacks the method's
 * scope; undefined when it may reach everybody's.
 */
export function ownUserOf({ values }: CallWithValues): string | undefined {
  return values.get(ownUserKey);
}

/** Keeps a call to what is its caller's own. */
export function limitToOwn({ values }: CallWithValues, userId: string): void {
  values.set(ownUserKey, userId);
}

/** Whether a caller may read what a user has: with the scope, or because he is this user. */
export function mayReadOf(caller: Caller, scope: string, userId: string): boolean {
  return caller.scopes.has(scope) || (caller.isUser && caller.subject === userId);
}

/** Who is written down for what a caller does; undefined for the open caller, who is nobody. */
export function actorOf(caller: Caller): Pick<Caller, "issuer" | "subject" | "client"> | undefined {
  return caller.issuer === "" ? undefined : caller;
}

// Callers are remembered with their tokens and keys, and each call asks several times.
const principals = new WeakMap<Caller, string>();

/**
 * Names a caller in one text, different for different ones; what his request_ids are kept apart by.
 * His client does not count: a payment may be repeated by another program of the same caller.
 */
export function principalOf(caller: Caller): string {
  const known = principals.get(caller);
  if (known !== undefined) return known;
  const { issuer, subject } = caller;
  const principal = issuer === "" ? "" : JSON.stringify([issuer, subject]);
  principals.set(caller, principal);
  return principal;
}
