// The reference: the OpenAPI document as a page, with an example response of this api beside each operation.

import { h } from "./format.js";

const main = document.getElementById("main");
const api = await (await fetch("/openapi.json")).json();
const named = (ref) => ref.split("/").at(-1);

/** A schema in a line, its references as links. */
function shape(schema) {
  if (!schema) return ["nothing"];
  if (schema.$ref) return [h("a", { href: `#${named(schema.$ref)}` }, named(schema.$ref))];
  if (schema.type === "array") return ["list of ", ...shape(schema.items)];
  if (schema.oneOf || schema.anyOf) return (schema.oneOf ?? schema.anyOf).flatMap((one, at) => [...(at ? [" or "] : []), ...shape(one)]);
  if (schema.allOf) return schema.allOf.flatMap((one, at) => [...(at ? [" with "] : []), ...shape(one)]);
  if (schema.enum) return [schema.enum.map((one) => `"${one}"`).join(" or ")];
  return [[schema.type].flat().join(" or ") || "anything"];
}

function fields(schema) {
  const own = [schema, ...(schema.allOf ?? [])];
  const rows = own.flatMap((part) => Object.entries(part.properties ?? {}).map(([name, field]) =>
    h("tr", {}, h("td", { class: "mono" }, name, part.required?.includes(name) ? "" : h("span", { class: "dim" }, " ?")), h("td", {}, ...shape(field)), h("td", { class: "says" }, field.description ?? ""))));
  const parents = own.filter((part) => part.$ref).flatMap((part) => ["As ", ...shape(part), ", and: "]);
  return h("div", { class: "scroll", tabindex: "0" }, parents.length ? h("p", { class: "says" }, ...parents) : null, rows.length ? h("table", {}, h("tbody", {}, ...rows)) : h("p", { class: "says" }, ...shape({ ...schema, $ref: undefined })));
}

function operation(path, { summary, description, parameters = [], responses }) {
  const rows = parameters.map((one) => h("tr", {}, h("td", { class: "mono" }, one.name), h("td", { class: "dim" }, one.in), h("td", {}, ...shape(one.schema)), h("td", { class: "says" }, one.description ?? "")));
  const answers = Object.entries(responses).map(([status, one]) => {
    const content = Object.values(one.content ?? {})[0];
    return h("tr", {}, h("td", { class: "mono" }, status), h("td", {}, ...(content ? shape(content.schema) : [])), h("td", { class: "says" }, one.description));
  });
  const plain = !path.includes("{") && path.startsWith("/v1/") && path !== "/v1/stream";
  return h("section", { class: "panel" },
    h("header", { class: "wrap" }, h("h3", { class: "mono" }, `GET ${path}`), plain ? h("div", { class: "tools" }, h("a", { class: "tool", href: path }, "Try")) : null),
    h("p", { class: "says" }, summary ?? description ?? ""),
    rows.length ? h("div", { class: "scroll", tabindex: "0" }, h("table", {}, h("tbody", {}, ...rows))) : null,
    h("div", { class: "scroll", tabindex: "0" }, h("table", {}, h("tbody", {}, ...answers))));
}

const operations = Object.entries(api.paths).map(([path, { get }]) => ({ path, get, tag: get.tags?.[0] ?? "" }));
main.append(h("h1", {}, `${api.info.title} API`), h("p", { class: "says" }, api.info.description));
main.append(h("p", { class: "says" }, "The messages of the stream and of the topics on Kafka: ", h("a", { href: "/asyncapi.json" }, "AsyncAPI"), "."));
for (const { name, description } of api.tags) {
  main.append(h("h2", { class: "chapter" }, description ?? name), ...operations.filter(({ tag }) => tag === name).map(({ path, get }) => operation(path, get)));
}
main.append(h("h2", { class: "chapter" }, "Shapes"), ...Object.entries(api.components.schemas).map(([name, schema]) =>
  h("section", { class: "panel", id: name }, h("header", {}, h("h3", { class: "mono" }, name)), schema.description ? h("p", { class: "says" }, schema.description) : null, fields(schema))));
