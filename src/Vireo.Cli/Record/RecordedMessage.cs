namespace Vireo.Cli.Record;

/// <summary>One message as it went by.</summary>
internal sealed record RecordedMessage
{
    /// <summary>Which connection of the recording it belongs to, counted from 1.</summary>
    public required int Session { get; init; }

    /// <summary>When, counted from the beginning of the recording.</summary>
    public TimeSpan Time { get; init; }

    /// <summary>Who sent it.</summary>
    public required MessageDirection Direction { get; init; }

    /// <summary>Its number in the vhost-user text.</summary>
    public required uint Request { get; init; }

    /// <summary>The flags of its header.</summary>
    public required uint Flags { get; init; }

    /// <summary>What follows the header.</summary>
    public byte[] Payload { get; init; } = [];

    /// <summary>The descriptors that came with it.</summary>
    public IReadOnlyList<RecordedDescriptor> Descriptors { get; init; } = [];

    /// <summary>Its name in the vhost-user text.</summary>
    public string Name => MessageNames.Of(Direction, Request);
}
