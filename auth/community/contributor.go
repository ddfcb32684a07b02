package community

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// ErrCode is a link that confirms nothing: it is wrong, too old, or was used.
var ErrCode = errors.New("the link is wrong, too old, or was used already")

// linkLifetime is how long an address can be confirmed; then the name is free again.
const linkLifetime = 24 * time.Hour

// contributorKind is the kind of a contributor's record. Its id is the
// contributor's.
const contributorKind = "contributors"

// A contributor is what the store has of one.
type contributor struct {
	Format  int              `json:"format"`
	Name    string           `json:"name"`
	Mailbox auth.MailboxHash `json:"mailbox"`
	// Account is whom their titles are counted for; empty in records of before.
	Account  string    `json:"account,omitempty"`
	Since    time.Time `json:"since"`
	Verified time.Time `json:"verified,omitzero"`
	// Code is the SHA-256 of the code in the link that was mailed.
	Code string `json:"code,omitempty"`

	rev      store.Revision
	skeleton string // of Name
}

const contributorFormat = 1

// verified reports whether the contributor has confirmed their address.
func (c contributor) verified() bool { return !c.Verified.IsZero() }

// A ContributorInfo is what may be shown of a contributor.
type ContributorInfo struct {
	// ID stands in the path of their feed: the name in lower case.
	ID string
	// Name is the name as it was given.
	Name string
	// Titles is how many titles they have.
	Titles int
	// Mailbox is the hash of their address, for CreateOptions of the catalog: it
	// lets them ask for a title's token. Not to be shown.
	Mailbox json.RawMessage

	account string // whom their titles are counted for; empty: for themselves
}

func (s *Service) loadContributors(ctx context.Context) error {
	s.contributors = map[string]contributor{}
	stale := map[string]store.Revision{}
	for r, err := range s.store.List(ctx, contributorKind) {
		if err != nil {
			return fmt.Errorf("community: read the contributors: %w", err)
		}
		c := contributor{rev: r.Revision}
		if err := json.Unmarshal(r.Value, &c); err != nil {
			return fmt.Errorf("community: contributor %s cannot be read: %w", r.Key.ID, err)
		}
		if c.Format > contributorFormat {
			return fmt.Errorf("community: %w", store.NewerFormat(r.Key, c.Format, contributorFormat))
		}
		if !c.verified() && s.now().Sub(c.Since) >= linkLifetime {
			stale[r.Key.ID] = r.Revision // the name is free again
			continue
		}
		c.skeleton = patch.Skeleton(c.Name)
		s.contributors[r.Key.ID] = c
	}
	for id, rev := range stale {
		if err := s.dropContributor(ctx, id, rev); err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return nil
}

// Contributor returns the contributor with this id, in any case, if they have
// confirmed their address.
func (s *Service) Contributor(id string) (ContributorInfo, bool) {
	id = strings.ToLower(id)
	s.mu.Lock()
	c, ok := s.contributors[id]
	s.mu.Unlock()
	if !ok || !c.verified() {
		return ContributorInfo{}, false
	}
	mailbox, err := json.Marshal(c.Mailbox)
	return ContributorInfo{
		ID:      id,
		Name:    c.Name,
		Titles:  s.countTitles()[id],
		Mailbox: mailbox,
		account: c.Account,
	}, err == nil
}

// Contributors returns all contributors that have confirmed their address, those
// with the most titles first.
func (s *Service) Contributors() []ContributorInfo {
	titles := s.countTitles()
	s.mu.Lock()
	all := []ContributorInfo{}
	for id, c := range s.contributors {
		if c.verified() {
			all = append(all, ContributorInfo{ID: id, Name: c.Name, Titles: titles[id]})
		}
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b ContributorInfo) int {
		return cmp.Or(cmp.Compare(b.Titles, a.Titles), cmp.Compare(a.ID, b.ID))
	})
	return all
}

func (s *Service) countTitles() map[string]int {
	n := map[string]int{}
	for t := range s.cat.Find(catalog.Filter{}) {
		if t.Contributor != "" {
			n[t.Contributor]++
		}
	}
	return n
}

// Register reserves a name, and mails a link that confirms the address. Tokens of
// those who had the name before end, as far as this server knows of them. The name is
// free again when the link was not used for 24 hours.
//
// The error is [ErrName], [ErrNameTaken], mail.ErrAddress, [ErrLimited], [ErrMail],
// or that of the store or ctx.
func (s *Service) Register(ctx context.Context, name, address string) error {
	address, addressErr := mail.CheckAddress(address)
	if err := errors.Join(checkName(name), addressErr); err != nil {
		return err
	}
	id := strings.ToLower(name)
	if err := s.nameFree(ctx, name, s.holds); err != nil {
		return err
	}
	box, err := s.mailbox(ctx, address)
	if err != nil {
		return err
	}
	if err := s.allow(box.counting); err != nil {
		return err
	}
	code := s.seal(id, address)
	sum := sha256.Sum256([]byte(code))
	c := contributor{
		Format:   contributorFormat,
		Name:     name,
		Mailbox:  box.hash,
		Account:  box.account().id,
		Since:    s.now().UTC(),
		Code:     hex.EncodeToString(sum[:]),
		skeleton: patch.Skeleton(name),
	}
	cond := store.IfAbsent()
	s.mu.Lock()
	if old, taken := s.contributors[id]; taken {
		if cond = store.IfRevision(old.rev); s.holds(old) {
			err = ErrNameTaken
		}
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if err := s.putContributor(ctx, id, &c, cond); errors.Is(err, store.ErrConflict) {
		return ErrNameTaken
	} else if err != nil {
		return err
	}
	// The tokens of the name's previous owner end. The link is not mailed yet, so this registration cannot have been
	// confirmed, and there is no token that must stay.
	err = s.tokens.EndAll(ctx, auth.Grant{Kind: auth.Contributor, Contributor: id})
	if err == nil {
		err = s.sendLink(ctx, id, name, code, address)
	}
	if err != nil {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), mailTimeout)
		defer cancel()
		return errors.Join(err, s.dropContributor(undo, id, c.rev))
	}
	s.log.Info("a contributor has registered", "contributor", id)
	return nil
}

// sendLink mails the link that confirms an address.
func (s *Service) sendLink(ctx context.Context, id, name, code, address string) error {
	f := s.facts(id, name, "")
	// Mail clients make links of names with dots: the link has none in its query.
	query := strings.ReplaceAll(url.Values{"id": {id}, "code": {code}}.Encode(), ".", "%2E")
	f.Link = s.site + "/api/v1/contributors/verify?" + query
	return s.send(ctx, address, s.texts.verify, f)
}

// Verify confirms the address of a contributor with the code of the link that was
// mailed, and mails their token. It works once.
//
// The error is [ErrCode], [ErrMail] (then it can be tried again), [ErrNameTaken] if
// the name was taken after the registration, which then ends, or that of the store
// or ctx.
func (s *Service) Verify(ctx context.Context, id, code string) (ContributorInfo, error) {
	none := ContributorInfo{}
	id = strings.ToLower(id)
	s.mu.Lock()
	c, ok := s.contributors[id]
	s.mu.Unlock()
	sum := sha256.Sum256([]byte(code))
	right := subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(c.Code)) == 1
	if !ok || !right || c.verified() || s.now().Sub(c.Since) >= linkLifetime {
		return none, ErrCode
	}
	address, err := s.unseal(id, code)
	if err != nil {
		return none, ErrCode
	}
	s.verifying.Lock() // of two who open the link at once, one is mailed a token
	defer s.verifying.Unlock()
	// Here, or on another server, it may have been used, or the name registered anew.
	current, err := s.refresh(ctx, id)
	if err != nil {
		return none, err
	}
	if current != c.rev {
		return none, ErrCode
	}
	if err := s.nameFree(ctx, c.Name, contributor.verified); err != nil {
		if errors.Is(err, ErrNameTaken) {
			err = errors.Join(err, s.dropContributor(ctx, id, c.rev))
		}
		return none, err
	}
	// The token is made before the registration is confirmed: if the server stops in
	// between, there is one token too many, and the link still works. No other token
	// ends here: another server may have been faster, and its token is good.
	token, tokenID, err := s.tokens.Issue(ctx, auth.Grant{Kind: auth.Contributor, Contributor: id})
	if err != nil {
		return none, err
	}
	err = s.send(ctx, address, s.texts.contributor, s.facts(id, c.Name, token))
	// The mail is out: who has gone away meanwhile is a contributor all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mailTimeout)
	defer cancel()
	if err == nil {
		c.Verified, c.Code = s.now().UTC(), ""
		err = s.putContributor(ctx, id, &c, store.IfRevision(current))
	}
	if err != nil {
		if revokeErr := s.tokens.Revoke(ctx, tokenID); revokeErr != nil {
			s.log.Error("a token that is of no use could not be revoked", "token", tokenID, "error", revokeErr)
		}
		if errors.Is(err, store.ErrConflict) {
			err = ErrCode // another server was faster with it
		}
		return none, err
	}
	s.log.Info("a contributor has confirmed their address", "contributor", id, "token", tokenID)
	info, _ := s.Contributor(id)
	return info, nil
}

// putContributor writes a contributor, gives c its revision, and remembers it.
func (s *Service) putContributor(ctx context.Context, id string, c *contributor, cond store.Condition) error {
	value, err := json.Marshal(c)
	if err != nil {
		return err
	}
	key := store.Key{Kind: contributorKind, ID: id}
	// A write that has begun is brought to its end, whoever goes away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mailTimeout)
	defer cancel()
	if c.rev, err = s.store.Put(ctx, key, value, cond); err != nil {
		if !errors.Is(err, store.ErrConflict) {
			err = fmt.Errorf("%w: %w", catalog.ErrUnavailable, err)
		}
		err = fmt.Errorf("community: contributor %s: %w", id, err)
		_, getErr := s.refresh(ctx, id)
		return errors.Join(err, getErr)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.contributors[id] = *c
	return nil
}

// refresh reads a contributor's record, so that memory has what the store has, and
// returns the revision that memory has then; empty: there is none. The error is
// catalog.ErrUnavailable or that of ctx.
func (s *Service) refresh(ctx context.Context, id string) (store.Revision, error) {
	s.mu.Lock()
	before := s.contributors[id].rev
	s.mu.Unlock()
	r, err := s.store.Get(ctx, store.Key{Kind: contributorKind, ID: id})
	gone := errors.Is(err, store.ErrNotFound)
	var there contributor
	if err == nil {
		err = json.Unmarshal(r.Value, &there)
	}
	if err != nil && !gone {
		return "", fmt.Errorf("%w: community: read contributor %s: %w", catalog.ErrUnavailable, id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.contributors[id].rev != before: // a write here was faster, and knows better
	case gone:
		delete(s.contributors, id)
	default:
		there.rev, there.skeleton = r.Revision, patch.Skeleton(there.Name)
		s.contributors[id] = there
	}
	return s.contributors[id].rev, nil
}

func (s *Service) dropContributor(ctx context.Context, id string, rev store.Revision) error {
	err := s.store.Delete(ctx, store.Key{Kind: contributorKind, ID: id}, store.IfRevision(rev))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: community: contributor %s: %w", catalog.ErrUnavailable, id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.contributors, id)
	return nil
}
