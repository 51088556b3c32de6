namespace Vireo.Core.Contract;

/// <summary>A crypto device whose sessions are made by its home, in place of its control queue.</summary>
public interface ICryptoSessionDevice
{
    /// <summary>Begins a session.</summary>
    /// <param name="description">What the front-end sent, without the session's number; it comes from outside and is to be checked.</param>
    /// <returns>The session's number, from 0; negative when there can be no such session.</returns>
    long CreateSession(ReadOnlySpan<byte> description);

    /// <summary>Ends a session.</summary>
    /// <param name="session">Its number, as the front-end says it.</param>
    /// <returns>False when there is no such session.</returns>
    bool TryCloseSession(long session);
}
