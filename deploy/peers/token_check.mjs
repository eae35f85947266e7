// Whether a bearer token is good, asked of the authorization server (RFC 7662).

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
