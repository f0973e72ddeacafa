// The address bar: which place the part behind `#` names, with its filters, so that every view can be linked to and reloaded.

/** What an address names: `#/user/0x…?window=7d` is the place `user`, its parts and its query. */
export function parsePlace(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [place = "", ...parts] = path.split("/").map(decoded).filter(Boolean);
  return { place, parts, query: Object.fromEntries(new URLSearchParams(query)) };
}

/** The address of a place. */
export function linkTo(place, parts = [], query = {}) {
  const path = [place, ...parts].filter(Boolean).map(encodeURIComponent).join("/");
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
  return `#/${path}${asked.size ? `?${asked}` : ""}`;
}

/** Puts choices of the view into the address bar; the view stays. A choice without a value is taken out. */
export function remember(choices) {
  const { place, parts, query } = parsePlace(location.hash);
  history.replaceState(null, "", linkTo(place, parts, { ...query, ...choices }));
}

export const toUser = (address, chain) => linkTo("user", chain ? [chain, address] : [address]);
export const toAsset = (chain, asset) => linkTo("asset", [chain, asset]);
export const toChain = (chain) => linkTo("chain", [chain]);
export const toPlatform = (platform) => linkTo("platform", [platform]);
export const toTrade = (id) => linkTo("trade", [id]);
export const toTransaction = (chain, hash) => linkTo("tx", [chain, hash]);

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
