namespace Vireo.Homes.VhostUser.Protocol;

/// <summary>What is known of one message of the front-end: its form, what it needs, and what is done.</summary>
/// <remarks>A new message is one of these in one of the groups under Messages.</remarks>
/// <param name="Request">The number.</param>
/// <param name="Name">The name in the protocol's text, without its prefix.</param>
/// <param name="Form">The form of its payload and its descriptors.</param>
/// <param name="Handle">What is done with it.</param>
internal sealed record MessageKind(
    FrontEndRequest Request,
    string Name,
    MessageForm Form,
    Action<VhostUserSession, Message> Handle
)
{
    /// <summary>No protocol feature is needed.</summary>
    public const int None = -1;

    /// <summary>The protocol feature that must have been negotiated for this message, or <see cref="None"/>.</summary>
    public int Feature { get; init; } = None;

    /// <summary>Whether <see cref="Feature"/> need only be on offer.</summary>
    public bool IsOfferEnough { get; init; }

    /// <summary>Whether the message has an answer of its own, so that it is never just acknowledged.</summary>
    public bool HasReply { get; init; }
}
