// R4 classic rest-hooks (R4, Subscription): after each create or update that an active Subscription's
// criteria match, one POST to its endpoint; with channel.payload the resource is its body, without it the
// body is empty. The router stores Subscriptions and sends nothing; so the sender is ours and thin, while
// the criteria are matched and the resources written by Medplum. A requested Subscription becomes active,
// as the standard wants it of a server. A notification that fails is not sent again: what a server loses,
// our side must make good.
import { matchesSearchRequest, parseSearchRequest } from '@medplum/core';
import { MemoryRepository } from '@medplum/fhir-router';

export class NotifyingRepository extends MemoryRepository {
  async createResource(resource) {
    // an update of the memory repository ends here, too
    if (resource.resourceType === 'Subscription') {
      return super.createResource(resource.status === 'requested' ? { ...resource, status: 'active' } : resource);
    }
    const written = await super.createResource(resource);
    const known = await this.search({ resourceType: 'Subscription' });
    for (const { resource: subscription } of known.entry ?? []) {
      if (isMeant(subscription, written)) {
        void send(subscription, written);
      }
    }
    return written;
  }
}

function isMeant(subscription, resource) {
  return (
    subscription.status === 'active' &&
    subscription.channel?.type === 'rest-hook' &&
    !(subscription.end && Date.parse(subscription.end) < Date.now()) &&
    matchesSearchRequest(resource, parseSearchRequest(subscription.criteria))
  );
}

async function send(subscription, resource) {
  const { endpoint, payload, header = [] } = subscription.channel;
  const headers = Object.fromEntries(header.map((line) => line.split(/:\s*(.*)/s).slice(0, 2)));
  if (payload) {
    headers['Content-Type'] = payload;
  }
  try {
    const answer = await fetch(endpoint, { method: 'POST', headers, body: payload ? JSON.stringify(resource) : undefined });
    console.error(`notified ${resource.resourceType}/${resource.id}: HTTP ${answer.status}`);
  } catch (error) {
    console.error(`not notified of ${resource.resourceType}/${resource.id}: ${error.cause?.code ?? error.message}`);
  }
}
