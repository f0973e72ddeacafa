// A plugin in JavaScript: follows the blocks of any CometBFT chain and detects no trades. What is exported here is the
// interface `chain` of wit/chain-plugin; a failure is thrown.
import { send } from "chaintape:plugin/upstream@1.1.0";

const SCHEMA = JSON.stringify({ type: "object", additionalProperties: false });

function ask(paths) {
  const requests = paths.map((path) => ({ path, headers: [], body: undefined, weight: 1 }));
  return send(requests).map((answer, index) => {
    if (answer.tag === "err") {
      throw { tag: "retry", val: [undefined, `${paths[index]}: ${JSON.stringify(answer.val.val)}`] };
    }
    const { result, error } = JSON.parse(new TextDecoder().decode(answer.val.body));
    if (!result) {
      throw { tag: "elsewhere", val: `${paths[index]}: ${error?.message ?? "neither result nor error"}` };
    }
    return result;
  });
}

export const chain = {
  describe() {
    return { id: "comet-js", version: "1.0.0", settingsSchema: SCHEMA, synthetic: false, attributes: [] };
  },

  head() {
    const [{ node_info, sync_info }] = ask(["/status"]);
    const latest = { height: BigInt(sync_info.latest_block_height), hash: sync_info.latest_block_hash };
    return { network: `cosmos:${node_info.network}`, latest, finalized: latest, attributes: [] };
  },

  scan(_context, { first, last }) {
    const heights = [];
    for (let height = first; height <= last; height += 1n) heights.push(height);
    const answers = ask(heights.map((height) => `/block?height=${height}`));
    const blocks = answers.map(({ block_id, block: { header } }, index) => ({
      height: heights[index],
      hash: block_id.hash,
      parent: { height: heights[index] - 1n, hash: header.last_block_id.hash },
      timestampMs: BigInt(Date.parse(header.time)),
      trades: [],
      attributes: [],
    }));
    return { blocks, through: last };
  },

  wakeBy() {
    return undefined;
  },
};
