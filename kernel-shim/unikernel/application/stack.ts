/**
 * The driver stack, as the application imports it. Used as a library, it is compiled together with the application; where
 * it is merged in as a module of its own, the build puts declarations of its exports in the place of this file.
 */
export * from "../../../assembly/index";
