using Vireo.Backends.Block.Nbd;

namespace Vireo.Tests.Backends.Block.Nbd;

/// <summary>What a client has asked for.</summary>
internal sealed record FakeNbdRequest(
    NbdCommand Command,
    ushort Flags,
    ulong Cookie,
    long OffsetBytes,
    int LengthBytes,
    byte[] Payload
);
