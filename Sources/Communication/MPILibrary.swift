import CMPI

extension MPIEnvironment {
  /// What the MPI library that is loaded says of itself, over several lines.
  package static var libraryDescription: String {
    var characters = [CChar](repeating: 0, count: Int(MPI_MAX_LIBRARY_VERSION_STRING))
    var count: Int32 = 0
    guard MPI_Get_library_version(&characters, &count) == MPI_SUCCESS else { return "an MPI of unknown version" }
    return String(decoding: characters.prefix(Int(count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
