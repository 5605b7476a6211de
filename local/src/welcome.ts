/** The ports that a person may want to call. */
export interface Addresses {
  /** Whether nobody is asked who he is. */
  readonly open: boolean;
  readonly restPort: number;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly historyGrpcPort: number;
  readonly kafka: { readonly broker: string; readonly topic: string } | undefined;
}

/** What to tell a person once everything runs: addresses, and commands that work when copied. */
export function describeAddresses(addresses: Addresses): string {
  const { restPort, grpcPort, httpPort, historyGrpcPort } = addresses;
  const rest = `http://localhost:${restPort}`;
  const who = addresses.open ? "" : ` -H "authorization: Bearer $TOKEN"`;
  const json = `-H 'content-type: application/json'${who}`;
  const firstWallet = `$(curl -s${who} ${rest}/users/alice/wallets | grep -oE '[0-9a-f-]{36}' | head -1)`;
  const list = "pelikuni.wallet.v1.WalletService/ListWallets";
  return `
Pelikuni is running. Ctrl-C stops it; its data stay.

  REST      ${rest}  (documentation: ${rest}/docs)
  gRPC      localhost:${grpcPort}
  Connect   http://localhost:${httpPort}
  History   localhost:${historyGrpcPort}  (gRPC)
${describeKafka(addresses)}${addresses.open ? openNote : ""}
Three commands to try, in another terminal:

  curl ${rest}/wallets ${json} -d '{"user_id":"alice"}'

  curl ${rest}/wallets/${firstWallet}/fund ${json} -d '{"amount":"100.00"}'

  npx buf curl --protocol grpc --http2-prior-knowledge${who} -d '{"userId":"alice"}' \\
    http://localhost:${grpcPort}/${list}

`;
}

const openNote = `
Nobody is asked who he is, so only this machine reaches the ports. docs/SECURITY.md tells how to ask.
`;

function describeKafka({ kafka }: Addresses): string {
  if (kafka === undefined) return "";
  const { broker, topic } = kafka;
  return `  Kafka     ${broker}  (topic ${topic}; keys and headers of all events so far:
            kcat -C -e -q -b ${broker} -t ${topic} -f '%k %h\\n')
`;
}
