namespace Vireo.Backends.Block.Nbd;

/// <summary>Numbers of the NBD protocol, named as in its text.</summary>
internal static class NbdProtocol
{
    // The greeting.
    public const ulong Magic = 0x4E42444D41474943;
    public const ulong OptionMagic = 0x49484156454F5054;
    public const ulong OldStyleMagic = 0x0000420281861253;
    public const ulong OptionReplyMagic = 0x0003E889045565A9;
    public const int GreetingBytes = 18;
    public const ushort FlagFixedNewstyle = 1;
    public const ushort FlagNoZeroes = 2;

    // Options and their replies.
    public const uint OptionExportName = 1;
    public const uint OptionAbort = 2;
    public const uint OptionStartTls = 5;
    public const uint OptionGo = 7;
    public const uint OptionStructuredReply = 8;
    public const uint OptionSetMetaContext = 10;
    public const uint ReplyAck = 1;
    public const uint ReplyInfo = 3;
    public const uint ReplyMetaContext = 4;
    public const uint ReplyIsError = 1U << 31;
    public const uint ReplyUnsupported = ReplyIsError | 1;
    public const uint ReplyPolicy = ReplyIsError | 2;
    public const uint ReplyTlsRequired = ReplyIsError | 5;
    public const uint ReplyUnknown = ReplyIsError | 6;
    public const uint ReplyShutdown = ReplyIsError | 7;
    public const ushort InfoExport = 0;
    public const ushort InfoBlockSize = 3;
    public const int OptionReplyHeaderBytes = 20;
    public const int ExportNameZeroes = 124;

    // Requests and their replies.
    public const uint RequestMagic = 0x25609513;
    public const uint SimpleReplyMagic = 0x67446698;
    public const uint StructuredReplyMagic = 0x668E33EF;
    public const int RequestBytes = 28;
    public const int SimpleReplyBytes = 16;
    public const int ChunkHeaderBytes = 20;
    public const ushort RequestFua = 1;
    public const ushort RequestNoHole = 2;
    public const ushort RequestOneExtent = 8;
    public const ushort ChunkIsLast = 1;
    public const ushort ChunkNone = 0;
    public const ushort ChunkData = 1;
    public const ushort ChunkHole = 2;
    public const ushort ChunkStatus = 5;
    public const ushort ChunkIsError = 1 << 15;
    public const uint StatusHole = 1;
    public const uint StatusZero = 2;
    public const uint ErrorIo = 5;
    public const uint ErrorNoSpace = 28;
    public const uint ErrorNotSupported = 95;

    /// <summary>The context that tells what is allocated and what reads as zeroes.</summary>
    public const string AllocationContext = "base:allocation";

    /// <summary>Export names have at most so many bytes.</summary>
    public const int NameBytesMax = 4096;

    /// <summary>No reply to an option, and no error message, is longer; a longer one is a mistake or an attack.</summary>
    public const int OptionReplyBytesMax = 65536;

    /// <summary>What a server takes at least, and that which is taken where it says nothing.</summary>
    public const int UsualPayloadMax = 32 << 20;
}
