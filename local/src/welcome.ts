/** The ports that a person may want to call. */
export interface Addresses {
  /** Whether nobody is asked who he is. */
  readonly open: boolean;
  readonly restPort: number;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly historyGrpcPort: number;
  /** Which of the first three ports speak TLS. */
  readonly encrypted: { readonly rest: boolean; readonly grpc: boolean; readonly http: boolean };
  readonly kafka: { readonly broker: string; readonly topic: string } | undefined;
}

/** What to tell a person once everything runs: addresses, and commands that work when copied. */
export function describeAddresses(addresses: Addresses): string {
  const { grpcPort, historyGrpcPort, encrypted } = addresses;
  const rest = addressOf(addresses.restPort, encrypted.rest);
  const grpc = addressOf(grpcPort, encrypted.grpc);
  const protocol = `--protocol grpc${encrypted.grpc ? "" : " --http2-prior-knowledge"}`;
  const who = addresses.open ? "" : ` -H "authorization: Bearer $TOKEN"`;
  const json = `-H 'content-type: application/json'${who}`;
  const firstWallet = `$(curl -s${who} ${rest}/users/alice/wallets | grep -oE '[0-9a-f-]{36}' | head -1)`;
  const list = "pelikuni.wallet.v1.WalletService/ListWallets";
  return `
Pelikuni is running. Ctrl-C stops it; its data stay.

  REST      ${rest}  (documentation: ${rest}/docs)
  gRPC      localhost:${grpcPort}
  Connect   ${addressOf(addresses.httpPort, encrypted.http)}
  History   localhost:${historyGrpcPort}  (gRPC)
${describeKafka(addresses)}${addresses.open ? openNote : closedNote}
Three commands to try, in another terminal:

  curl ${rest}/wallets ${json} -d '{"user_id":"alice"}'

  curl ${rest}/wallets/${firstWallet}/fund ${json} -d '{"amount":"100.00"}'

  npx buf curl ${protocol}${who} -d '{"userId":"alice"}' \\
    ${grpc}/${list}

`;
}

function addressOf(port: number, encrypted: boolean): string {
  return `${encrypted ? "https" : "http"}://localhost:${port}`;
}

const openNote = `
Nobody is asked who he is, so only this machine reaches the ports. docs/SECURITY.md tells how to ask.
`;

const closedNote = `
Callers say who they are: TOKEN is an API key, such as APP__AUTH__INITIAL_API_KEY, or a token of the issuer. docs/SECURITY.md
tells more.
`;

function describeKafka({ kafka }: Addresses): string {
  if (kafka === undefined) return "";
  const { broker, topic } = kafka;
  return `  Kafka     ${broker}  (topic ${topic}; keys and headers of all events so far:
            kcat -C -e -q -b ${broker} -t ${topic} -f '%k %h\\n')
`;
}
