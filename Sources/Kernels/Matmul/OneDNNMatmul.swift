import COneDNN
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Single-threaded matrix multiplication by oneDNN (API 2.x), one engine a thread.
///
/// Only this file knows oneDNN's matmul. A primitive is made once for each combination of extents, strides and mode and kept. The
/// weights are given as they lie: results are bitwise those of packed weights, and packing anew each step costs more than
/// it saves (docs/decisions). With AVX-512 the primitive gives a row the same bits whatever the number of rows is; without,
/// it falls back to a gemm that does not (see `MatmulEngine`).
final class OneDNNMatmul {
  private var primitives: [Signature: Primitive] = [:]
  private let engine: dnnl_engine_t
  private let stream: dnnl_stream_t
  private var scratchpad = Buffer<UInt8>(count: 1 << 20)

  /// More than this many prepared shapes (about 70 KB each) are forgotten together.
  private static let capacity = 2048

  init() {
    var engine: dnnl_engine_t?
    check(dnnl_engine_create(&engine, dnnl_cpu, 0), "dnnl_engine_create")
    var stream: dnnl_stream_t?
    check(dnnl_stream_create(&stream, engine, UInt32(dnnl_stream_default_flags.rawValue)), "dnnl_stream_create")
    guard let engine, let stream else { fatalError("oneDNN gave no engine") }
    self.engine = engine
    self.stream = stream
  }

  deinit {
    primitives.removeAll()
    dnnl_stream_destroy(stream)
    dnnl_engine_destroy(engine)
  }

  func multiply(_ a: Matrix, _ b: Matrix, into c: Matrix, accumulating: Bool) {
    run(primitive(for: Signature(a, b, c, accumulating: accumulating)), a, b.pointer, into: c)
  }

  /// C = A·B with B in the layout that oneDNN likes best: the library's own ceiling.
  func multiply(_ a: Matrix, packed b: Buffer<Float>, into c: Matrix) {
    run(primitive(for: Signature(a, packedInto: c)), a, b.pointer, into: c)
  }

  /// How many floats B takes in that layout.
  func packedCount(_ a: Matrix, into c: Matrix) -> Int {
    primitive(for: Signature(a, packedInto: c)).weightsByteCount / MemoryLayout<Float>.stride
  }

  private func run(_ primitive: Primitive, _ a: Matrix, _ b: UnsafeMutableRawPointer, into c: Matrix) {
    if scratchpad.count < primitive.scratchpadByteCount {
      scratchpad = Buffer(count: primitive.scratchpadByteCount * 3 / 2)
    }
    primitive.execute(a.pointer, b, c.pointer, scratchpad: scratchpad.pointer, stream: stream)
  }

  private func primitive(for signature: Signature) -> Primitive {
    if let known = primitives[signature] { return known }
    if primitives.count >= Self.capacity { primitives.removeAll() }
    let made = Primitive(signature, engine: engine)
    primitives[signature] = made
    return made
  }
}

/// What a prepared multiplication depends on.
private struct Signature: Hashable {
  let rows, inner, columns: Int32
  let aRowStride, aColumnStride, bRowStride, bColumnStride, cRowStride: Int32
  let isAccumulating: Bool
  let isPacked: Bool

  /// B in oneDNN's own layout.
  init(_ a: Matrix, packedInto c: Matrix) {
    let b = Matrix(c.pointer, rows: a.columns, columns: c.columns)
    self.init(a, b, c, accumulating: false, isPacked: true)
  }

  init(_ a: Matrix, _ b: Matrix, _ c: Matrix, accumulating: Bool, isPacked: Bool = false) {
    precondition(c.columnStride == 1, "the product is written row by row")
    rows = Int32(a.rows)
    inner = Int32(a.columns)
    columns = Int32(b.columns)
    aRowStride = Int32(a.rowStride)
    aColumnStride = Int32(a.columnStride)
    bRowStride = Int32(b.rowStride)
    bColumnStride = Int32(b.columnStride)
    cRowStride = Int32(c.rowStride)
    isAccumulating = accumulating
    self.isPacked = isPacked
  }
}

/// A prepared multiplication with its memory handles; used by one thread.
private final class Primitive {
  let scratchpadByteCount: Int
  let weightsByteCount: Int
  private let primitive: dnnl_primitive_t
  private let source, weights, destination, scratchpad: dnnl_memory_t

  init(_ signature: Signature, engine: dnnl_engine_t) {
    var a = description(signature.rows, signature.inner, signature.aRowStride, signature.aColumnStride)
    var b = description(signature.inner, signature.columns, signature.bRowStride, signature.bColumnStride)
    var c = description(signature.rows, signature.columns, signature.cRowStride, 1)
    if signature.isPacked { b = packedDescription(signature.inner, signature.columns) }
    var operation = dnnl_matmul_desc_t()
    check(dnnl_matmul_desc_init(&operation, &a, &b, nil, &c), "dnnl_matmul_desc_init")
    let attributes = makeAttributes(isAccumulating: signature.isAccumulating)
    defer { dnnl_primitive_attr_destroy(attributes) }
    var descriptor: dnnl_primitive_desc_t?
    check(dnnl_primitive_desc_create(&descriptor, &operation, attributes, engine, nil), "dnnl_primitive_desc_create")
    defer { dnnl_primitive_desc_destroy(descriptor) }
    var made: dnnl_primitive_t?
    check(dnnl_primitive_create(&made, descriptor), "dnnl_primitive_create")
    guard let made, let pad = dnnl_primitive_desc_query_md(descriptor, dnnl_query_scratchpad_md, 0),
      let layout = dnnl_primitive_desc_query_md(descriptor, dnnl_query_weights_md, 0)
    else { fatalError("oneDNN gave no primitive") }
    primitive = made
    scratchpadByteCount = dnnl_memory_desc_get_size(pad)
    source = makeMemory(&a, engine)
    weights = makeMemory(layout, engine)
    weightsByteCount = dnnl_memory_desc_get_size(layout)
    destination = makeMemory(&c, engine)
    scratchpad = makeMemory(pad, engine)
  }

  deinit {
    for memory in [source, weights, destination, scratchpad] { dnnl_memory_destroy(memory) }
    dnnl_primitive_destroy(primitive)
  }

  func execute(
    _ a: UnsafeMutableRawPointer, _ b: UnsafeMutableRawPointer, _ c: UnsafeMutableRawPointer,
    scratchpad pad: UnsafeMutableRawPointer, stream: dnnl_stream_t
  ) {
    dnnl_memory_set_data_handle(source, a)
    dnnl_memory_set_data_handle(weights, b)
    dnnl_memory_set_data_handle(destination, c)
    dnnl_memory_set_data_handle(scratchpad, pad)
    withUnsafeTemporaryAllocation(of: dnnl_exec_arg_t.self, capacity: 4) { arguments in
      arguments[0] = dnnl_exec_arg_t(arg: DNNL_ARG_SRC, memory: source)
      arguments[1] = dnnl_exec_arg_t(arg: DNNL_ARG_WEIGHTS, memory: weights)
      arguments[2] = dnnl_exec_arg_t(arg: DNNL_ARG_DST, memory: destination)
      arguments[3] = dnnl_exec_arg_t(arg: DNNL_ARG_SCRATCHPAD, memory: scratchpad)
      check(dnnl_primitive_execute(primitive, stream, 4, arguments.baseAddress), "dnnl_primitive_execute")
    }
  }
}

private func description(_ rows: Int32, _ columns: Int32, _ rowStride: Int32, _ columnStride: Int32)
  -> dnnl_memory_desc_t
{
  var extents = [Int64(rows), Int64(columns)]
  var strides = [Int64(rowStride), Int64(columnStride)]
  var result = dnnl_memory_desc_t()
  check(dnnl_memory_desc_init_by_strides(&result, 2, &extents, dnnl_f32, &strides), "dnnl_memory_desc_init_by_strides")
  return result
}

private func packedDescription(_ rows: Int32, _ columns: Int32) -> dnnl_memory_desc_t {
  var extents = [Int64(rows), Int64(columns)]
  var result = dnnl_memory_desc_t()
  check(
    dnnl_memory_desc_init_by_tag(&result, 2, &extents, dnnl_f32, dnnl_format_tag_any), "dnnl_memory_desc_init_by_tag")
  return result
}

private func makeAttributes(isAccumulating: Bool) -> dnnl_primitive_attr_t? {
  var attributes: dnnl_primitive_attr_t?
  check(dnnl_primitive_attr_create(&attributes), "dnnl_primitive_attr_create")
  check(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), "set_scratchpad_mode")
  guard isAccumulating else { return attributes }
  var operations: dnnl_post_ops_t?
  check(dnnl_post_ops_create(&operations), "dnnl_post_ops_create")
  check(dnnl_post_ops_append_sum(operations, 1), "dnnl_post_ops_append_sum")
  check(dnnl_primitive_attr_set_post_ops(attributes, operations), "dnnl_primitive_attr_set_post_ops")
  dnnl_post_ops_destroy(operations)
  return attributes
}

private func makeMemory(_ description: UnsafePointer<dnnl_memory_desc_t>, _ engine: dnnl_engine_t) -> dnnl_memory_t {
  // No memory of its own: DNNL_MEMORY_NONE is a null pointer.
  var memory: dnnl_memory_t?
  check(dnnl_memory_create(&memory, description, engine, nil), "dnnl_memory_create")
  guard let memory else { fatalError("oneDNN gave no memory object") }
  return memory
}

private func check(_ status: dnnl_status_t, _ call: StaticString) {
  guard status == dnnl_success else { fatalError("oneDNN: \(call) failed with status \(status.rawValue)") }
}

/// The library that multiplies.
package enum OneDNN {
  /// The version that is loaded: `2.6.3`.
  package static var version: String {
    guard let version = dnnl_version()?.pointee else { return "of unknown version" }
    return "\(version.major).\(version.minor).\(version.patch)"
  }
}
