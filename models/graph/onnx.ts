/**
 * Writes ONNX models: the few messages of `onnx.proto` that a stage graph needs, encoded by
 * protobufjs.
 *
 * Field numbers are those of onnx/onnx.proto (IR version 10). Encoding is deterministic: fields go
 * out in the order of their numbers, repeated fields in the order given.
 *
 * @module
 */
import protobuf from "protobufjs";

const PROTO = `
syntax = "proto3";
message AttributeProto {
  string name = 1; optional float f = 2; optional int64 i = 3; optional bytes s = 4;
  optional GraphProto g = 6;
  repeated float floats = 7; repeated int64 ints = 8; int32 type = 20;
}
message NodeProto {
  repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4;
  repeated AttributeProto attribute = 5; string domain = 7;
}
message StringStringEntryProto { string key = 1; string value = 2; }
message TensorProto {
  repeated int64 dims = 1; int32 data_type = 2; string name = 8; optional bytes raw_data = 9;
  repeated StringStringEntryProto external_data = 13; optional int32 data_location = 14;
}
message TensorShapeProto {
  message Dimension { oneof value { int64 dim_value = 1; string dim_param = 2; } }
  repeated Dimension dim = 1;
}
message TypeProto {
  message Tensor { int32 elem_type = 1; TensorShapeProto shape = 2; }
  Tensor tensor_type = 1;
}
message ValueInfoProto { string name = 1; TypeProto type = 2; }
message GraphProto {
  repeated NodeProto node = 1; string name = 2; repeated TensorProto initializer = 5;
  repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12;
}
message OperatorSetIdProto { string domain = 1; int64 version = 2; }
message ModelProto {
  int64 ir_version = 1; string producer_name = 2; GraphProto graph = 7;
  repeated OperatorSetIdProto opset_import = 8;
}
`;

const IR_VERSION = 10;
const OPSETS = [{ domain: "", version: 21 }, { domain: "com.microsoft", version: 1 }];
const ATTRIBUTE_TYPE = { f: 1, i: 2, s: 3, graph: 5, floats: 6, ints: 7 };
const EXTERNAL = 1;

let modelType: protobuf.Type | undefined;

/** `TensorProto.DataType` numbers of the element types in use. */
export const ONNX_DTYPES = { f32: 1, u8: 2, i32: 6, i64: 7, f16: 10 } as const;

/** Element type of a graph value. */
export type OnnxDType = keyof typeof ONNX_DTYPES;

/**
 * A node's attribute: a number is an integer, a `{ float }` a float, a `{ graph }` a branch, which may
 * use the values of the graph around it.
 */
export type OnnxAttribute = number | string | number[] | { float: number } | { graph: OnnxGraph };

/** One operator. An input named `""` is an optional one left out. */
export interface OnnxNode {
  op: string;
  /** Domain of the operator; `""` is ai.onnx. */
  domain: string;
  /** Name in the form of a path, e.g. `/model/layers.0/attn/q_proj/MatMul`. */
  name: string;
  inputs: string[];
  outputs: string[];
  attributes: Record<string, OnnxAttribute>;
}

/** A constant: bytes within the model, or a range of a file in the model's folder. */
export interface OnnxInitializer {
  name: string;
  dtype: OnnxDType;
  dims: number[];
  /** Little-endian elements, or their range in a file of the model's folder, in bytes. */
  data: Uint8Array | { location: string; offset: number; length: number };
}

/** An input or output of a graph; a string in `dims` is a symbolic dimension. */
export interface OnnxValue {
  name: string;
  dtype: OnnxDType;
  dims: (number | string)[];
}

/** A whole graph. The order of the nodes is one in which they can run. */
export interface OnnxGraph {
  name: string;
  nodes: OnnxNode[];
  initializers: OnnxInitializer[];
  inputs: OnnxValue[];
  outputs: OnnxValue[];
}

/** Bytes of a `.onnx` file with this graph (opsets ai.onnx 21 and com.microsoft 1). */
export function encodeModel(graph: OnnxGraph): Uint8Array {
  modelType ??= protobuf.parse(PROTO, { keepCase: true }).root.lookupType("ModelProto");
  return modelType.encode({
    ir_version: IR_VERSION,
    producer_name: "orrery",
    graph: graphProto(graph),
    opset_import: OPSETS,
  }).finish();
}

/**
 * The inverse of {@linkcode encodeModel} for what it writes, as plain objects (for tests and
 * inspection).
 */
export function decodeModel(bytes: Uint8Array): Record<string, unknown> {
  modelType ??= protobuf.parse(PROTO, { keepCase: true }).root.lookupType("ModelProto");
  return modelType.toObject(modelType.decode(bytes), { longs: Number, arrays: true });
}

function graphProto(graph: OnnxGraph): object {
  return {
    name: graph.name,
    node: graph.nodes.map((node) => ({
      input: node.inputs,
      output: node.outputs,
      name: node.name,
      op_type: node.op,
      domain: node.domain,
      attribute: Object.entries(node.attributes).map(([name, value]) => attribute(name, value)),
    })),
    initializer: graph.initializers.map(initializer),
    input: graph.inputs.map(valueInfo),
    output: graph.outputs.map(valueInfo),
  };
}

function attribute(name: string, value: OnnxAttribute): object {
  if (typeof value === "number") return { name, i: value, type: ATTRIBUTE_TYPE.i };
  if (typeof value === "string") {
    return { name, s: new TextEncoder().encode(value), type: ATTRIBUTE_TYPE.s };
  }
  if (Array.isArray(value)) return { name, ints: value, type: ATTRIBUTE_TYPE.ints };
  if ("graph" in value) return { name, g: graphProto(value.graph), type: ATTRIBUTE_TYPE.graph };
  return { name, f: value.float, type: ATTRIBUTE_TYPE.f };
}

function initializer({ name, dtype, dims, data }: OnnxInitializer) {
  const head = { name, dims, data_type: ONNX_DTYPES[dtype] };
  if (data instanceof Uint8Array) return { ...head, raw_data: data };
  const external_data = Object.entries(data).map(([key, value]) => ({ key, value: String(value) }));
  return { ...head, external_data, data_location: EXTERNAL };
}

function valueInfo({ name, dtype, dims }: OnnxValue) {
  const dim = dims.map((d) => typeof d === "number" ? { dim_value: d } : { dim_param: d });
  return { name, type: { tensor_type: { elem_type: ONNX_DTYPES[dtype], shape: { dim } } } };
}
