// Sends the messages of a file, one after the other on one connection, with @medplum/hl7's client.
// Its sendAndWait resolves only if the answer's MSA-2 is the MSH-10 of a message that it waits for.
import { Hl7Message } from '@medplum/core';
import { Hl7Client } from '@medplum/hl7';
import { arguments_, exitWith, print } from './mllp_file.mjs';

const { host, port, encoding, texts } = arguments_();
const client = new Hl7Client({ host, port, encoding });

await exitWith(async () => {
  const codes = [];
  for (const text of texts) {
    const answer = await client.sendAndWait(Hl7Message.parse(text));
    const acknowledgement = answer.getSegment('MSA');
    codes.push(acknowledgement.getField(1).toString());
    print(codes.at(-1), acknowledgement.getField(2).toString());
  }
  return codes;
});
await client.close();
