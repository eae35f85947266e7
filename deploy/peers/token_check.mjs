// What a FHIR server asks of its authorization server: whether a token is good (RFC 7662), and how clients
// come to one (SMART App Launch 2.2, Conformance).

/** The FHIR server as a client of the token server of a test; a secret that is none. */
export const RESOURCE_SERVER = { client_id: 'fhir-server', client_secret: 'of-the-test' };

const CREDENTIALS = Buffer.from(`${RESOURCE_SERVER.client_id}:${RESOURCE_SERVER.client_secret}`).toString('base64');

/** A function from an Authorization header to a promise of true or false. */
export function tokenCheck(issuer) {
  return async (authorization = '') => {
    const [scheme, token = ''] = authorization.split(' ');
    if (scheme.toLowerCase() !== 'bearer') {
      return false;
    }
    const answer = await fetch(`${issuer}/token/introspection`, {
      method: 'POST',
      headers: { Authorization: `Basic ${CREDENTIALS}` },
      body: new URLSearchParams({ token }),
    });
    return answer.ok && (await answer.json()).active;
  };
}

/** What the authorization server says of itself (OpenID Connect Discovery), in the words of SMART. */
export async function smartConfiguration(issuer) {
  const said = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
  return {
    issuer: said.issuer,
    jwks_uri: said.jwks_uri,
    token_endpoint: said.token_endpoint,
    grant_types_supported: said.grant_types_supported,
    token_endpoint_auth_methods_supported: said.token_endpoint_auth_methods_supported,
    token_endpoint_auth_signing_alg_values_supported: said.token_endpoint_auth_signing_alg_values_supported,
    scopes_supported: said.scopes_supported,
    capabilities: ['client-confidential-asymmetric', 'permission-v1', 'permission-v2'],
  };
}
