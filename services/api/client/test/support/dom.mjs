// A document in which React renders, and a root that a test looks into.

import { Window } from "happy-dom";

const window = new Window({ url: "http://127.0.0.1/" });
// React looks for these only: fetch and WebSocket stay those of Node, or of the test.
for (const name of ["window", "document", "navigator", "HTMLElement", "HTMLIFrameElement", "Node"]) {
  Object.defineProperty(globalThis, name, { value: name === "window" ? window : window[name], configurable: true, writable: true });
}
globalThis.IS_REACT_ACT_ENVIRONMENT = true;
const { act, createElement, StrictMode } = await import("react");
const { createRoot } = await import("react-dom/client");
const { ChaintapeProvider } = await import("../../dist/react.js");

/** Renders an element below a provider; what it shows is in `root`. */
export async function render(client, element) {
  const root = window.document.createElement("div");
  window.document.body.append(root);
  const react = createRoot(root);
  const show = (shown) => act(async () => react.render(createElement(StrictMode, null, createElement(ChaintapeProvider, { client }, shown))));
  await show(element);
  return { root, show, unmount: () => act(async () => react.unmount()) };
}

/** Lets something happen and React show it. */
export const settle = (something = () => {}) => act(async () => {
  await something();
  await new Promise((later) => setTimeout(later, 40));
});

export { createElement };
