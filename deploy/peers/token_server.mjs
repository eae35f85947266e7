// oidc-provider as the authorization server of SMART Backend Services: client_credentials, the client
// authenticated by private_key_jwt signed with RS384 or ES384 (and with nothing else).
//
//   node token_server.mjs CLIENTS SECONDS      prints "listening PORT"; the token endpoint is /token
//
// CLIENTS is a JSON file, [{"client_id", "jwks": {"keys": [public JWKs]}, "alg": "RS384" | "ES384"}]; they
// may have the scopes that GIVEN lists. SECONDS is how long a token lives. Tokens are opaque, and
// /token/introspection tells resource servers of them (token_check.mjs), which are clients, too.
import Provider from 'oidc-provider';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { RESOURCE_SERVER } from './token_check.mjs';

const [file, seconds] = process.argv.slice(2);
const WRITTEN = ['DocumentReference', 'Task', 'Provenance', 'Device', 'Subscription'];
const GIVEN = ['system/*.rs', ...WRITTEN.map((type) => `system/${type}.cruds`)];
const KNOWN = [...GIVEN, 'system/*.cruds'];

const clients = JSON.parse(readFileSync(file, 'utf8')).map(({ client_id, jwks, alg }) => ({
  client_id,
  jwks,
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: alg,
  scope: GIVEN.join(' '),
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
}));

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [...clients, { ...RESOURCE_SERVER, grant_types: [], redirect_uris: [], response_types: [] }],
    clientAuthMethods: ['private_key_jwt', 'client_secret_basic'],
    enabledJWA: { clientAuthSigningAlgValues: ['RS384', 'ES384'] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: {
        enabled: true,
        allowedPolicy: (_, client) => client.clientId === RESOURCE_SERVER.client_id,
      },
    },
    scopes: KNOWN,
    ttl: { ClientCredentials: Number(seconds) },
  });
  for (const event of ['grant.success', 'grant.error']) {
    provider.on(event, (context, error) => {
      console.error(`${event} ${context.oidc.client?.clientId ?? '?'} ${error?.error_description ?? ''}`);
    });
  }
  server.on('request', provider.callback());
  console.log(`listening ${port}`);
});
