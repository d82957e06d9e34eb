/** @module Pod networking as data: address blocks, interface names, routes. */
export { POD_INTERFACE_PREFIX, podInterfaceName } from "./interface-name.ts";
export * from "./plan.ts";
